"""Models, endpoint configurations, endpoints: fleets, routes, roll-outs, captures."""
