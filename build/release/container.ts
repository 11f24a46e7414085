/** The Dockerfile and the compose file, which build an image from the archives that lie beside them. */
import { archiveFolder, archiveName, PRODUCT, SUMS_FILE, type Target } from "../../src/release/targets.ts";
import { SYSTEM_STATE_DIR } from "../../src/service/systemd.ts";
import { HOMEPAGE, LICENCE, SUMMARY } from "./project.ts";

/** Docker's names of processors, and what the image is made of there. */
const ARCHITECTURES = { amd64: "linux-x64", arm64: "linux-arm64" } as const satisfies Record<string, Target>;

type ImageTarget = (typeof ARCHITECTURES)[keyof typeof ARCHITECTURES];

/** The user `nonroot` of distroless images. By number, so that others can see that it is not root. */
const USER = "65532:65532";

const PORT = 8765;

/**
 * What a container needs to be told. A host that is merely detected to be one stays on loopback, which nobody outside
 * would reach; with the environment named, it listens on all of its addresses.
 */
export const CONTAINER_ENVIRONMENT = {
  CLAUDE_MPM_SOCKETIO_ENVIRONMENT: "docker",
  CLAUDE_MPM_SOCKETIO_STATE_DIR: SYSTEM_STATE_DIR,
};

/**
 * @param sums the SHA-256 of each archive that is released
 * @returns null where no target of an image is released
 */
export function dockerfile(version: string, sums: Partial<Record<ImageTarget, string>>): string | null {
  const archives = Object.entries(ARCHITECTURES).flatMap(([architecture, target]) => {
    const sum = sums[target];
    return sum === undefined ? [] : [{ architecture, target, sum }];
  });
  if (archives.length === 0) return null;
  const stages = archives.map(
    ({ architecture, target }) =>
      `FROM scratch AS archive-${architecture}\nCOPY ${archiveName(version, target)} /archive.tar.gz\n`,
  );
  const cases = archives.map(
    ({ architecture, target, sum }) =>
      `      ${architecture}) sum=${sum} folder=${archiveFolder(version, target)} ;; \\\n`,
  );
  const environment = Object.entries(CONTAINER_ENVIRONMENT).map(([name, value]) => `${name}=${value}`);

  return `# ${PRODUCT} ${version}: the program alone, without a shell, as a user that is not root.
# Built in the folder of the release: docker build -t ${PRODUCT} .
# It asks for tokens; its first one is in the output of the first start: docker logs CONTAINER

${stages.join("\n")}
FROM archive-\${TARGETARCH} AS archive

# On the machine's own processor, also for an image of another.
FROM --platform=\${BUILDPLATFORM} debian:12-slim AS unpacked
ARG TARGETARCH
COPY --from=archive /archive.tar.gz /archive.tar.gz
# The sums are those of ${SUMS_FILE}.
RUN set -eu; \\
    case "\${TARGETARCH}" in \\
${cases.join("")}      *) echo "There is no release for \${TARGETARCH}" >&2; exit 1 ;; \\
    esac; \\
    echo "\${sum}  /archive.tar.gz" | sha256sum -c -; \\
    tar -xzf /archive.tar.gz; \\
    mv "/\${folder}" /unpacked; \\
    mkdir -m 700 /state

FROM gcr.io/distroless/base-nossl-debian12:nonroot
LABEL org.opencontainers.image.title="${PRODUCT}" \\
      org.opencontainers.image.description="${SUMMARY}" \\
      org.opencontainers.image.version="${version}" \\
      org.opencontainers.image.licenses="${LICENCE}" \\
      org.opencontainers.image.source="${HOMEPAGE}"
COPY --from=unpacked /unpacked/LICENSE /unpacked/THIRD-PARTY-LICENSES /usr/share/doc/${PRODUCT}/
COPY --from=unpacked /unpacked/${PRODUCT} /usr/bin/${PRODUCT}
COPY --from=unpacked --chown=${USER} /state ${SYSTEM_STATE_DIR}
ENV ${environment.join(" \\\n    ")}
USER ${USER}
VOLUME ${SYSTEM_STATE_DIR}
EXPOSE ${PORT}
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 CMD ["/usr/bin/${PRODUCT}", "health"]
ENTRYPOINT ["/usr/bin/${PRODUCT}"]
CMD ["serve"]
`;
}

export function composeFile(version: string): string {
  return `# ${PRODUCT} ${version}: docker compose up -d
services:
  ${PRODUCT}:
    build: .
    image: ${PRODUCT}:${version}
    restart: unless-stopped
    ports:
      # On this machine's loopback. To let others in leave the address out, and set TLS up: without it tokens can be read.
      - "127.0.0.1:${PORT}:${PORT}"
    environment:
      # The name under which other containers of this file reach it.
      CLAUDE_MPM_SOCKETIO_ALLOWED_HOSTS: ${PRODUCT}
      # A token of your own, from the file .env beside this one; without it the first start makes one: docker compose logs
      CLAUDE_MPM_SOCKETIO_TOKEN: \${CLAUDE_MPM_SOCKETIO_TOKEN:-}
    volumes:
      - state:${SYSTEM_STATE_DIR}
    read_only: true
    tmpfs:
      - /tmp
    cap_drop:
      - ALL
    security_opt:
      - no-new-privileges:true
    # The server takes up to 5 seconds to finish what it has accepted.
    stop_grace_period: 15s

volumes:
  state:
`;
}
