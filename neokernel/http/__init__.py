"""HTTP/1.1 over sockets: a server's side, a client's side, and what both read and write."""
