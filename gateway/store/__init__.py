"""The store: topics and certificates in a database that survives restarts. Knows no HTTP and no models."""
