"""Networks in int8: quantisation after training, what it costs in quality, and its metrics."""
