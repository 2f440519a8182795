"""The client credentials grant: a client's service account, without a session."""

from typing import Any

from seed.identity_provider.answers import OAuthError
from seed.identity_provider.grants.request import TokenRequest
from seed.identity_provider.issuing import Origin, grant_for


def answer_client_credentials(request: TokenRequest) -> dict[str, Any]:
    """A token for the client itself. Raises OAuthError."""
    client = request.client
    if client.public:
        raise OAuthError(401, "unauthorized_client", "Public client not allowed to retrieve service account")
    if not client.service_account:
        raise OAuthError(401, "unauthorized_client", "Client not enabled to retrieve service account")
    realm = request.provider.realm
    notes = {"client_id": client.client_id, "clientHost": request.peer, "clientAddress": request.peer}
    grant = grant_for(realm, client, realm.service_account_of(client), request.form.get("scope"), notes)
    token = request.issuer.sign(request.issuer.access_claims(grant, Origin("tr", "cc"), None))
    return request.issuer.answer(grant, token, None)
