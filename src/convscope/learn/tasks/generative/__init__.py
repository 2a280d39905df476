"""Networks that return images: autoencoders, denoising and variational ones."""
