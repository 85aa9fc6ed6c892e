"""A web page that trains networks: kernels, graphs and a runner in one HTML file."""
