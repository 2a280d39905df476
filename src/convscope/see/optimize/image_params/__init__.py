"""Image parameterizations: pixels, Fourier, CPPN, MaCo."""
