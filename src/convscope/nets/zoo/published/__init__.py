"""Networks as their papers print them."""
