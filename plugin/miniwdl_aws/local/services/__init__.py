"""All services but Batch, which moto simulates."""
