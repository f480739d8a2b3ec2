"""Bodies: from bytes to parameters by the model, one module for each form."""
