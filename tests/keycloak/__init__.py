"""One contract, two identity providers: the embedded one and a real Keycloak must give the same answers."""
