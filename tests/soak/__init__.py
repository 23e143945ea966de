"""`make soak`: random operations, faults and probes together in a lab, judged by the model behind `onehop trace`."""
