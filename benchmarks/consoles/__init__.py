"""What ``benchmarks/console.py`` measures: the data, the servers, and what a person does there."""
