"""Pulls an image with oras: its manifest, which is printed, and its config and layers, each into a file of its digest."""

import json
import pathlib
import re
import sys

import oras.container
import oras.provider

_, target, folder = sys.argv
registry = oras.provider.Registry(insecure=True)
container = oras.container.Container(target)
manifest = registry.get_manifest(container)
for entry in manifest.get("manifests", []):
    platform = entry.get("platform", {})
    if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
        name = re.sub(r"(@.*|:[^/:]*)$", "", target)
        container = oras.container.Container(f"{name}@{entry['digest']}")
        manifest = registry.get_manifest(container)
        break
for blob in [manifest["config"], *manifest["layers"]]:
    registry.download_blob(container, blob["digest"], str(pathlib.Path(folder) / blob["digest"]))
print(json.dumps(manifest))
