# The gateway's image: the wheel and its pinned dependencies, those for traces too, on slim Debian, for a user without
# rights.
#
#     docker build --tag vcenter-gateway .
#     docker run --read-only --publish 50051:50051 vcenter-gateway serve --simulator
#
# A build behind an own package index gives pip's configuration as a secret, which stays out of every layer:
#
#     docker build --secret id=pip,src=pip.conf .
#
# Python's minor version and the Debian release are those that the test suite runs with. The tag gets their security
# updates; who wants the same bytes again, or mirrors the base, gives its digest:
#
#     docker build --build-arg BASE=registry.example.com/python@sha256:... .
#
# There is no HEALTHCHECK: Kubernetes ignores it, and the port that knows, --admin-listen, is only served where it is
# asked for.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# The gateway's own environment has no pip: this one, which stays behind, fills it.
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/vcenter-gateway
COPY requirements/build.txt requirements/
RUN --mount=type=secret,id=pip,target=/run/secrets/pip \
    PIP_CONFIG_FILE=/run/secrets/pip /build/bin/pip install --quiet --require-hashes -r requirements/build.txt
COPY requirements/run.txt requirements/
RUN --mount=type=secret,id=pip,target=/run/secrets/pip \
    PIP_CONFIG_FILE=/run/secrets/pip /build/bin/pip --python /opt/vcenter-gateway/bin/python \
    install --quiet --no-compile --require-hashes --only-binary :all: -r requirements/run.txt

COPY pyproject.toml hatch_build.py README.md LICENSE CHANGELOG.md ./
COPY tools/compile_protos.py tools/
COPY protos protos
COPY gateway gateway
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir /wheel . && \
    /build/bin/pip --python /opt/vcenter-gateway/bin/python install --quiet --no-compile --no-deps --no-index /wheel/*.whl

# Compiled files that name no times: they stay valid when a build sets all times, and are the same from every build.
RUN /opt/vcenter-gateway/bin/python -m compileall -q -f --invalidation-mode unchecked-hash /opt/vcenter-gateway/lib

FROM ${BASE}
ARG BASE
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vcenter-gateway" \
    org.opencontainers.image.description="One gRPC gateway for VMware vCenter's virtual machine REST API" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="${BASE}" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

COPY --from=build /opt/vcenter-gateway /opt/vcenter-gateway

# Everything was compiled at build time, so that nothing has to be written. Other containers and machines are to reach
# it, unlike a gateway that somebody tries on their own machine.
ENV PATH=/opt/vcenter-gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATEWAY_LISTEN=0.0.0.0:50051
WORKDIR /
USER 65532:65532
EXPOSE 50051
STOPSIGNAL SIGTERM
ENTRYPOINT ["vcenter-gateway"]
CMD ["serve"]
