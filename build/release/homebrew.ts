/** The Homebrew formula, for a tap: https://docs.brew.sh/Formula-Cookbook */
import { PRODUCT, type Target } from "../../src/release/targets.ts";
import { COMPLETION_FILES } from "./documents.ts";
import { HOMEPAGE, LICENCE, SUMMARY } from "./project.ts";

/** An archive as package managers name it. */
export interface Download {
  url: string;
  sha256: string;
}

/** Homebrew's systems, and the targets they get: its own glibc comes with it on Linux. */
const SYSTEMS: Record<string, Record<string, Target>> = {
  macos: { arm: "darwin-arm64", intel: "darwin-x64" },
  linux: { arm: "linux-arm64", intel: "linux-x64" },
};

/** Null where none of its targets is released. */
export function homebrewFormula(
  version: string,
  downloads: Partial<Record<Target, Download>>,
): string | null {
  const systems = Object.entries(SYSTEMS).flatMap(([system, cpus]) => {
    const blocks = Object.entries(cpus).flatMap(([cpu, target]) => {
      const download = downloads[target];
      return download === undefined ? [] : [cpuBlock(cpu, download)];
    });
    return blocks.length === 0 ? [] : [`  on_${system} do\n${blocks.join("")}  end\n`];
  });
  if (systems.length === 0) return null;

  return `class ${className()} < Formula
  desc "${SUMMARY}"
  homepage "${HOMEPAGE}"
  version "${version}"
  license "${LICENCE}"

${systems.join("\n")}
  def install
    bin.install "${PRODUCT}"
    bash_completion.install "completions/${COMPLETION_FILES.bash}" => "${PRODUCT}"
    zsh_completion.install "completions/${COMPLETION_FILES.zsh}"
    fish_completion.install "completions/${COMPLETION_FILES.fish}"
    man1.install "man/${PRODUCT}.1"
  end

  def caveats
    <<~EOS
      To connect Claude Code, whose events it takes in:
        ${PRODUCT} hooks install
      Before it is uninstalled, take the hooks out again; they would fail at every event:
        ${PRODUCT} hooks uninstall
    EOS
  end

  service do
    run [opt_bin/"${PRODUCT}", "serve"]
    keep_alive crashed: true
    log_path var/"log/${PRODUCT}.log"
    error_log_path var/"log/${PRODUCT}.log"
  end

  test do
    assert_equal version.to_s, shell_output("#{bin}/${PRODUCT} --version").strip

    port = free_port
    flags = ["--port", port.to_s, "--state-dir", testpath/"state"]
    server = spawn bin/"${PRODUCT}", "serve", *flags
    begin
      health = shell_output("curl --silent --retry 10 --retry-connrefused http://127.0.0.1:#{port}/health")
      assert_match '"status":"healthy"', health
    ensure
      Process.kill "TERM", server
      Process.wait server
    end
  end
end
`;
}

function cpuBlock(cpu: string, { url, sha256 }: Download): string {
  return `    on_${cpu} do
      url "${url}"
      sha256 "${sha256}"
    end
`;
}

/** The formula's file name in words: Homebrew finds the class by it. */
function className(): string {
  return PRODUCT.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase());
}
