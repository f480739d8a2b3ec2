"""The frozen vocabulary: values without behaviour that needs I/O. Nothing here imports anything of Interlock."""
