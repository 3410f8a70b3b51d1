"""The two halves of a decoder layer: attention and MLP, each with its norms and the sum that it is added to."""
