"""The MCP door: skills as tools, resources and prompts for agents, over HTTP and standard input and output."""
