# The lab in a container: docker build -t adversarial-clustering-lab . ; see DEPLOYMENT.md.
FROM python:3.12-slim

# libgomp1 is what torch and numba compute with; nothing else of the system is needed.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 lab

WORKDIR /lab
COPY requirements.txt requirements.lock ./
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# The processor's torch is a tenth of the GPU's; for a GPU: --build-arg TORCH_INDEX=https://pypi.org/simple
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -r requirements.txt -c requirements.lock

COPY --chown=root:root app.py ./
COPY --chown=root:root .streamlit ./.streamlit
COPY --chown=root:root assets ./assets
COPY --chown=root:root checkpoints ./checkpoints
COPY --chown=root:root core ./core
COPY --chown=root:root pages ./pages

# All that is written lies in one folder, which a volume may take the place of.
ENV LAB_RUNS=/data/runs LAB_DATA=/data/sets XDG_CACHE_HOME=/data/cache NUMBA_CACHE_DIR=/data/cache/numba \
    LAB_TRAINING=off MALLOC_ARENA_MAX=2 OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m compileall -q app.py core pages && mkdir -p /data && chown lab /data
USER lab
# Warms what the first visitor would wait for: numba's code for UMAP, and proof that every checkpoint can be read.
RUN python -c "import numpy; from core.projection import fit_umap; fit_umap(numpy.random.default_rng(0).random((64, 8)))" \
    && python -m core doctor

VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD python -c "import urllib.request as u; u.urlopen('http://localhost:8501/_stcore/health', timeout=4)"
CMD ["python", "-m", "streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501", \
     "--server.allowedHosts=*"]
