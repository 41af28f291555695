"""Transaction files, read and cleaned by stated rules. Polars only; no Django."""
