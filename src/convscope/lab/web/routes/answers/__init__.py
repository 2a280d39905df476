"""What the server answers, as types: tests check every answer, the page's types are generated from them."""
