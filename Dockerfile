# Builds the wheel, page included, then a slim image that only runs it.
#
#   docker build -t descent . && docker run --rm -p 127.0.0.1:8000:8000 -v descent:/data descent
#
# PyTorch's default build for Linux carries CUDA. For a smaller image without it, name an index of CPU builds:
# docker build --build-arg PIP_EXTRA_INDEX_URL=… -t descent .

FROM python:3.11-slim AS build
ENV PIP_CONSTRAINT=constraints.txt \
    PIP_BUILD_CONSTRAINT=constraints.txt \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
ARG PIP_EXTRA_INDEX_URL=
WORKDIR /descent
RUN python -m venv /opt/descent
# The dependencies first: they change less often than Descent.
COPY constraints.txt pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
    > requirements.txt && /opt/descent/bin/pip install -r requirements.txt
COPY . .
ARG EXTRAS=postgres
RUN /opt/descent/bin/pip install ".[$EXTRAS]"

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 descent && install --directory --owner=descent /data
COPY --from=build /opt/descent /opt/descent
ENV PATH=/opt/descent/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DESCENT_HOST=0.0.0.0 \
    DESCENT_PORT=8000 \
    DESCENT_HOME=/data
USER descent
WORKDIR /home/descent
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"DESCENT_PORT\"]}/api/health', timeout=4)"]
CMD ["descent", "serve"]
