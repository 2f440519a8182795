# Two images: `provider` (the product, without `seed`) and `pizzeria` (the upstream of the demo).
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv /opt/venv
COPY requirements.lock ./
RUN /opt/venv/bin/pip install --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY app ./app
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation . && /opt/venv/bin/pip check

FROM python:3.11-slim-bookworm AS runtime
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --home-dir /var/lib/tools-provider --create-home tools-provider \
    && install --directory --owner=tools-provider /var/lib/tools-provider/data
COPY --from=build /opt/venv /opt/venv
WORKDIR /var/lib/tools-provider
USER 10001

FROM runtime AS pizzeria
COPY seed /opt/demo/seed
ENV PYTHONPATH=/opt/demo HOST=0.0.0.0 PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=6 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/openapi.json', timeout=2)"]
CMD ["python", "-m", "seed.pizzeria"]

FROM runtime AS provider
ENV HOST=0.0.0.0 PORT=8040
EXPOSE 8040
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=6 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=2)"]
CMD ["tools-provider", "serve"]
