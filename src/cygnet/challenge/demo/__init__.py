"""Challenges with boards that are filled by honest baselines: on real data where they are, on simulated patients where not."""
