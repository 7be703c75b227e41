"""The machine at run time: threads, cores, locks, accelerators, links, and the inference that visits them."""
