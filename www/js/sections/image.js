// What the image runs with.
import { h } from "../dom.js";
import { digest, more, pairs, section, some } from "../parts.js";
import { texts } from "./identity.js";

/** @param {import("../core.js").DocumentReport} document */
export function image({ image, kind }) {
  if (!image) return undefined;
  const words = (/** @type {string[] | undefined} */ list) =>
    list && list.length > 0 && h("code", { class: "text" }, JSON.stringify(list));
  const {
    created,
    author,
    docker_version,
    user,
    working_dir,
    entrypoint,
    cmd,
    env,
    labels,
    exposed_ports,
    volumes,
    stop_signal,
    shell,
    health_check,
    diff_ids,
  } = image;
  return section(
    "image",
    "What it runs with",
    h(
      "p",
      {},
      kind === "config"
        ? "As this config says."
        : kind.startsWith("schema1")
          ? "As its newest history entry says."
          : "As its config says, which is given too.",
    ),
    pairs([
      ["Entrypoint", words(entrypoint)],
      ["Cmd", words(cmd)],
      ["Environment", env.length > 0 && texts(env)],
      ["User", user && h("code", {}, user)],
      ["Working directory", working_dir && h("code", {}, working_dir)],
      ["Labels", labels.length > 0 && texts(labels)],
      ["Ports", words(exposed_ports)],
      ["Volumes", words(volumes)],
      ["Stop signal", stop_signal],
      ["Shell", words(shell)],
      ["Health check", words(health_check)],
      ["Created", created && h("time", { datetime: created }, created)],
      ["Author", author],
      ["Docker version", docker_version],
      [
        "Diff ids",
        diff_ids.length > 0 &&
          more(
            `${diff_ids.length}, of the uncompressed layers, lowest first`,
            some(diff_ids, (ids) =>
              h(
                "ol",
                {},
                ids.map((id) => h("li", {}, digest(id))),
              ),
            ),
          ),
      ],
    ]),
  );
}
