"""Builds the object graph. Nothing else constructs collaborators."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import httpx
import structlog
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from sqlalchemy.exc import ArgumentError
from starlette.routing import Route

from app.api.http.connections import Connections
from app.api.http.dependencies import Composition
from app.api.http.entry import Entry
from app.api.http.held import Held
from app.api.http.problems import MCP, Problems
from app.api.http.reach import reach_of
from app.api.http.readiness import Readiness
from app.api.mcp.entry import MCP_BYTES, McpEntry
from app.api.mcp.server import McpDoor
from app.api.rest import audit as audit_door
from app.api.rest import health, source_documents, sources, tools
from app.api.rest.own_document import DescribedApi
from app.api.rest.resource_metadata import metadata_address, metadata_router
from app.api.web.pages import Doors, pages_router, static_files
from app.audit.log import AuditLog
from app.audit.outcome import Outcomes
from app.audit.writer import check_writable
from app.circuit_breaker import CircuitBreaker
from app.credentials.credential import Means
from app.credentials.token_exchange.audited import AuditedExchanger
from app.credentials.token_exchange.caching import CachingExchanger
from app.credentials.token_exchange.guarded import GuardedExchanger
from app.credentials.token_exchange.issued_token import IssuedTokenCheck
from app.credentials.token_exchange.keycloak import KeycloakExchanger
from app.database import Database
from app.documents.apart import ReadingLimits
from app.documents.fetching import Documents, reference_origins
from app.identity.issuer_watch import IssuerWatch
from app.identity.jwks import JwksCache
from app.identity.verifier import AgentTokenVerifier
from app.memory import InProcessMemory, Memory
from app.outbound import AddressPolicy, AiohttpSender, guarded_client, plain_client, trusted_authorities
from app.settings import Settings
from app.sources.repository import SourceRepository
from app.sources.rules import SourceRules
from app.sources.schedule import RefreshSchedule
from app.sources.use_cases import use_cases
from app.sources.writing import Writing
from app.telemetry import Telemetry
from app.tools.access import Access
from app.tools.answer.body import is_stream
from app.tools.catalog import Catalog
from app.tools.executor import ToolExecutor
from app.tools.upstream import Upstream

_VERSION = version("mcp-tools-provider")
_NO_NATIVE_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}
_SECRET_OF_THE_SEED = "tools-provider-token-exchange-secret"
_log = structlog.get_logger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """Return the application; what it works with is built when it starts and closed when it ends.

    Raises ValueError for settings whose meaning only their reader can judge (addresses, origins, database, files).
    """
    trusted_authorities()
    problems = Problems(settings.public_url, metadata_address(settings.resource), settings.scopes)
    reach = reach_of(settings.public_url, settings.allowed_hosts, settings.allowed_origins)
    policy = AddressPolicy(settings.allowed_upstreams)
    rules = SourceRules(
        policy,
        settings.audience_origins,
        own_audiences=settings.agent_audiences,
        passthrough_allowed=settings.token_passthrough == "allow",
    )
    database = _database(settings)
    documents = partial(_documents, settings, policy, reference_origins(settings.source_ref_origins))
    held = Held(settings.max_bytes_held)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _composition(settings, policy, rules, database, documents, held) as composition:
            app.state.composition = composition
            yield

    app = DescribedApi(
        settings.public_url,
        _VERSION,
        lifespan=lifespan,
        redirect_slashes=False,
        strict_content_type=False,  # api/http/entry.py looks at it
        telemetry=_NO_NATIVE_TELEMETRY,
    )
    app.state.connections = Connections(settings.max_connections, settings.request_read_timeout, held)
    app.add_middleware(Entry, problems=problems, reach=reach)
    problems.install(app)
    app.router.routes.append(Route(MCP, McpEntry()))
    metadata = metadata_router(settings.resource, settings.issuer, settings.scopes)
    pages = pages_router(Doors(settings.public_url, settings.resource, metadata_address(settings.resource)))
    app.include_router(tools.router)
    app.router.routes.append(source_documents.registration_by_form)
    for router in (source_documents.router, sources.router, audit_door.router, health.router, metadata, pages):
        app.include_router(router)
    app.mount("/static", static_files())
    return app


@dataclass(frozen=True, slots=True)
class _IdentityProvider:
    client: httpx.AsyncClient
    keys: JwksCache
    watch: IssuerWatch


@asynccontextmanager
async def _composition(
    settings: Settings,
    policy: AddressPolicy,
    rules: SourceRules,
    database: Database,
    documents: Callable[[httpx.AsyncClient], Documents],
    held: Held,
) -> AsyncIterator[Composition]:
    _warn(settings)
    async with AsyncExitStack() as closing:
        telemetry = Telemetry(settings.otel_service_name, settings.otel_exporter_otlp_endpoint)
        closing.callback(telemetry.shutdown)
        closing.push_async_callback(database.dispose)
        await database.migrate()
        audit = AuditLog(database, settings.audit_log, telemetry=telemetry)
        closing.push_async_callback(audit.stop)
        await audit.start()
        outcomes = Outcomes(audit.record)
        closing.push_async_callback(outcomes.stop)

        identity_provider = await closing.enter_async_context(_identity_provider(settings))
        to_documents = await closing.enter_async_context(guarded_client(policy))
        memory = InProcessMemory()
        closing.push_async_callback(memory.aclose)
        verifier = _verifier(settings, identity_provider, memory)
        exchanger = _exchanger(settings, _keycloak(settings, identity_provider), memory, telemetry, outcomes)

        means = Means(exchanger, settings.token_passthrough)
        catalog = Catalog(means, drop_unknown=settings.unknown_arguments == "drop")
        calls = _calls(settings, policy, outcomes, telemetry, verifier)
        upstream, executor = await closing.enter_async_context(calls)
        repository = SourceRepository(database)
        writing = _writing(repository, rules, outcomes, catalog, upstream, settings.source_max_tool_bytes)
        closing.push_async_callback(writing.aclose)
        await writing.load_all()
        registered = use_cases(writing, repository, documents(to_documents), rules, memory.leases)
        await closing.enter_async_context(RefreshSchedule(registered.queries, registered.refresh).running())
        sessions = _mcp_sessions(McpDoor(catalog, executor, page_size=settings.mcp_page_size))
        await closing.enter_async_context(sessions.run())
        yield Composition(
            verifier=verifier,
            outcomes=outcomes,
            admin_roles=frozenset(settings.admin_roles),
            document_bytes=settings.source_max_bytes,
            held=held,
            catalog=catalog,
            access=Access(catalog, outcomes, telemetry),
            executor=executor,
            sources=registered,
            audit=audit,
            telemetry=telemetry,
            readiness=Readiness(database, identity_provider.keys, telemetry),
            mcp_transport=sessions.handle_request,
        )


async def prepare(settings: Settings) -> None:
    """Bring the database up to date, and open what is written, before anything is served.

    Raises Unavailable, whose `inside` says why, and ValueError for AUDIT_LOG and an odd DATABASE_URL. The application
    brings the database up to date as well when it starts, but a server that runs it can only show a traceback.
    """
    database = _database(settings)
    try:
        await database.migrate()
    except ValueError as error:  # a name or a path that no system can look for
        raise ValueError(f"DATABASE_URL: the host or path cannot be used ({error}).") from None
    finally:
        await database.dispose()
    if settings.audit_log is not None:  # often beside the database, in a folder that is there only now
        check_writable(settings.audit_log)


def _database(settings: Settings) -> Database:
    try:
        return Database(settings.database_url.get_secret_value(), current_url=settings.current_database_url)
    except ArgumentError:
        raise ValueError("DATABASE_URL: this is not a database URL. Use sqlite:///… or postgresql://….") from None


@asynccontextmanager
async def _identity_provider(settings: Settings) -> AsyncIterator[_IdentityProvider]:
    async with (
        plain_client() as client,
        aclosing(JwksCache(client, settings.realm_url)) as keys,
        IssuerWatch(client, settings.realm_url, settings.issuer).running() as watch,
    ):
        yield _IdentityProvider(client, keys, watch)


def _verifier(settings: Settings, provider: _IdentityProvider, memory: Memory) -> AgentTokenVerifier:
    return AgentTokenVerifier(
        provider.keys,
        provider.watch,
        memory,
        issuer=settings.issuer,
        audiences=settings.agent_audiences,
        leeway=settings.clock_leeway,
        max_length=settings.token_max_bytes,
    )


@asynccontextmanager
async def _calls(
    settings: Settings, policy: AddressPolicy, outcomes: Outcomes, telemetry: Telemetry, verifier: AgentTokenVerifier
) -> AsyncIterator[tuple[Upstream, ToolExecutor]]:
    sender = AiohttpSender(policy, most_bytes=settings.upstream_max_bytes, endless=is_stream)
    async with aclosing(sender):
        upstream = Upstream(
            sender,
            telemetry,
            failure_threshold=settings.circuit_breaker_failure_threshold,
            recovery_timeout=settings.circuit_breaker_recovery_timeout,
        )
        yield (
            upstream,
            ToolExecutor(
                upstream,
                outcomes,
                telemetry,
                upstream_timeout=settings.upstream_timeout,
                request_bytes=settings.upstream_request_bytes,
                refuse=verifier.refuse,
            ),
        )


def _writing(
    repository: SourceRepository,
    rules: SourceRules,
    outcomes: Outcomes,
    catalog: Catalog,
    upstream: Upstream,
    tool_bytes: int,
) -> Writing:
    def forget(slug: str) -> None:
        catalog.remove(slug)
        upstream.remove(slug)

    return Writing(
        repository, rules, audit=outcomes, on_changed=catalog.put_in_pieces, on_removed=forget, tool_bytes=tool_bytes
    )


def _documents(
    settings: Settings, policy: AddressPolicy, origins: frozenset[str], client: httpx.AsyncClient
) -> Documents:
    limits = ReadingLimits(
        nodes=settings.source_max_nodes,
        alias_nodes=settings.source_max_alias_nodes,
        depth=settings.source_max_depth,
        files=settings.source_max_files,
        operations=settings.source_max_operations,
        tool_bytes=settings.source_max_tool_bytes,
        list_bytes=settings.source_max_list_bytes,
        tool_name_length=settings.tool_name_length,
        timeout=settings.source_read_timeout,
        memory=settings.source_read_memory,
    )
    return Documents(
        client,
        policy,
        timeout=settings.source_fetch_timeout,
        max_bytes=settings.source_max_bytes,
        reference_origins=origins,
        limits=limits,
        release=_VERSION,
    )


def _mcp_sessions(door: McpDoor) -> StreamableHTTPSessionManager:
    # Its own checks of Host and Origin stay off: api/http/entry.py makes them, before anyone looks at the token.
    return StreamableHTTPSessionManager(
        door.server(_VERSION), json_response=True, stateless=True, max_request_body_size=MCP_BYTES
    )


def _keycloak(settings: Settings, provider: _IdentityProvider) -> KeycloakExchanger:
    return KeycloakExchanger(
        provider.client,
        IssuedTokenCheck(
            provider.keys,
            issuer=settings.issuer,
            client_id=settings.token_exchange_client_id,
            own_audiences=settings.agent_audiences,
            leeway=settings.clock_leeway,
        ),
        provider.watch,
        realm_url=settings.realm_url,
        client_id=settings.token_exchange_client_id,
        client_secret=settings.exchange_secret,
        timeout=settings.token_exchange_timeout,
    )


def _exchanger(
    settings: Settings, keycloak: KeycloakExchanger, memory: Memory, telemetry: Telemetry, outcomes: Outcomes
) -> CachingExchanger:
    breaker = CircuitBreaker(
        "identity_provider",
        failure_threshold=settings.circuit_breaker_failure_threshold,
        recovery_timeout=settings.circuit_breaker_recovery_timeout,
        on_change=telemetry.breaker_changed,
    )
    return CachingExchanger(
        GuardedExchanger(AuditedExchanger(keycloak, telemetry, outcomes), breaker),
        memory,
        telemetry,
        client_id=settings.token_exchange_client_id,
        buffer=settings.token_exchange_cache_ttl_buffer,
        max_age=settings.token_exchange_cache_max_age,
    )


def _warn(settings: Settings) -> None:
    secret = settings.token_exchange_client_secret.get_secret_value()
    if not secret:
        _log.warning("TOKEN_EXCHANGE_CLIENT_SECRET is empty: no token can be exchanged")
    elif secret == _SECRET_OF_THE_SEED:
        _log.warning("TOKEN_EXCHANGE_CLIENT_SECRET is the one of the demo realm, which everybody knows: change it")
    if "channel_binding=require" in settings.database_url.get_secret_value():
        _log.warning("DATABASE_URL: channel_binding is not available; sslmode=verify-full proves the server instead")
