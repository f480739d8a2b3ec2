"""What runs, and how it is reached: instances, services, capacities, routes, records, rules."""
