# The workflow image: what the workflow job runs. It holds miniwdl with the AWS Batch backend and nothing else:
# no Airflow, no AWS CLI, no compiler. The tasks of a workflow name images of their own.
#
#   docker build -t miniwdl-aws .
#   docker build -t miniwdl-aws --build-arg BASE_IMAGE=debian:bookworm-slim .
#
# BASE_IMAGE is an official Python image or any Debian that has, or whose packages have, Python 3.11 or newer.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS base
RUN command -v python3 >/dev/null || { \
      apt-get update \
      && apt-get install -y --no-install-recommends python3 \
      && rm -rf /var/lib/apt/lists/*; \
    }

FROM base AS build
RUN python3 -c 'import ensurepip, venv' 2>/dev/null || { \
      apt-get update && apt-get install -y --no-install-recommends python3-venv; \
    }
# pip's index, where it is not the public one: --build-arg PIP_INDEX_URL=https://...
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# pip has an environment of its own, so that none has to be removed from the one that ships.
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/miniwdl-aws
COPY plugin/runner.txt /src/
RUN /opt/pip/bin/pip --python /opt/miniwdl-aws/bin/python install --only-binary :all: --require-hashes -r /src/runner.txt
COPY plugin /src/plugin
RUN /opt/pip/bin/pip wheel --no-deps --wheel-dir /wheels /src/plugin \
    && /opt/pip/bin/pip --python /opt/miniwdl-aws/bin/python install --no-deps --no-index /wheels/*.whl \
    && /opt/miniwdl-aws/bin/python -m miniwdl_aws.runner.tuning.grammars

FROM base
LABEL org.opencontainers.image.title="miniwdl-aws" \
      org.opencontainers.image.description="Runs WDL workflows on AWS Batch with miniwdl" \
      org.opencontainers.image.licenses="Apache-2.0"
# A home that any user may write: a job definition, or docker run --user, names whom it likes.
RUN mkdir -m 1777 /home/miniwdl
COPY --from=build /opt/miniwdl-aws /opt/miniwdl-aws
ENV PATH=/opt/miniwdl-aws/bin:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin \
    HOME=/home/miniwdl \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1
WORKDIR /home/miniwdl
CMD ["miniwdl-run-s3upload", "--help"]
