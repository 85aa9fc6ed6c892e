"""A page that trains: kernels, graphs and a runner in one HTML file."""
