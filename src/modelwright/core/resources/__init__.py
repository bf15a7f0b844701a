"""What processes get of a machine: processors, memory and GPUs; rules over values that touch none of them."""
