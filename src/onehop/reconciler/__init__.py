"""From observed and desired to a plan: values in, values out."""
