"""What runs beside a device or on a host to be measured: jobs, backends, a fake device, microbenchmarks."""
