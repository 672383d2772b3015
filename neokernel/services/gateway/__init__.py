"""The inference gateway: models over HTTP, by the Open Inference Protocol (docs/design/gateway.md)."""
