# The page for the browser: docker build -t brushflow . && docker run -p 8500:8500 -v paintings:/data brushflow
FROM python:3.12-slim

# OpenCV's windows, which the page does not open, are linked to these.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ffmpeg libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

# Before the project's files, so that they may change without all of it being fetched again.
RUN pip install --no-cache-dir torch==2.13.0 torchvision==0.28.0

WORKDIR /opt/brushflow
COPY . .
RUN pip install --no-cache-dir '.[serve]' && rm -rf build *.egg-info

RUN useradd --create-home painter && mkdir /data && chown painter /data
USER painter
WORKDIR /data
VOLUME /data
EXPOSE 8500

ENTRYPOINT ["brushflow"]
CMD ["serve", "--host", "0.0.0.0", "--folder", "/data/page"]
