#!/bin/sh
# Puts a headless Chromium and its driver where the page tests find them. Where it cannot, those tests skip and say so
# (or fail, with BROWSER_REQUIRED=1), and everything else runs.
set -u
if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then
  exit 0
fi
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium chromium-driver; } >/dev/null && exit 0
fi
echo "No Chromium here, so the page tests skip. To have them run: apt-get install chromium chromium-driver" >&2
