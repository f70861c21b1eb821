"""The architecture, the value that describes a network: its parts, graph, module and JSON form."""
