-- Keycloak keeps its own database beside the provider's. Runs once, when the volume is made.
CREATE DATABASE keycloak;
