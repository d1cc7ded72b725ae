"""What users bring: drawings, pictures and arrays, read with care, shaped for a data set, and put through an attack."""
