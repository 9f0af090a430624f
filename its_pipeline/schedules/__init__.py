"""Schedules: when an intervention acted, and by which lot its days were drawn."""
