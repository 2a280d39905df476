"""Documents of style transfer."""
