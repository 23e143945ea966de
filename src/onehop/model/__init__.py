"""What an operator may ask for, and the immutable topology that the data plane is compiled from."""
