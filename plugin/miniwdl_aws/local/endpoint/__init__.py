"""What clients reach: requests, their rates and refusals, and Batch's operations by name."""
