"""Prints what real documents become here and in FastMCP: `python -m tests.benchmarks.conversion [names of documents]`.

Each document is read by a process of its own, the two in turn. A document that one of them refuses counts for its
operations all the same; the ratios are of the documents that both take.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.openapi.corpus import DOCUMENTS, ROOT, RealDocument
from tests.support.environments import python_with

LOCK = Path(__file__).parent / "locks" / "fastmcp.txt"
PATIENCE = 120  # seconds for one document

OURS = """
import json, sys, time
from pathlib import Path
from app.tools.tool_json import tool_json
from app.documents.local import read_local
begin = time.process_time()
document = read_local(Path(sys.argv[1]), root=Path(sys.argv[2]), max_bytes=20_971_520)
tools = [tool_json(operation, "s") for operation in document.converted("s").operations]
seconds = time.process_time() - begin
"""
FASTMCP = """
import asyncio, json, sys, time
import httpx2, yaml
from fastmcp import FastMCP
text = open(sys.argv[1], encoding="utf-8-sig").read()
begin = time.process_time()
try:
    tree = json.loads(text)
except ValueError:
    tree = yaml.load(text, Loader=yaml.CSafeLoader)
server = FastMCP.from_openapi(openapi_spec=tree, client=httpx2.AsyncClient(base_url="http://upstream.example"))
found = asyncio.run(server.list_tools())
tools = [tool.to_mcp_tool().model_dump(mode="json", by_alias=True, exclude_none=True) for tool in found]
seconds = time.process_time() - begin
"""
TOLD = """
status = open("/proc/self/status").read()  # not getrusage, which begins with the memory of whoever started us
megabytes = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps({"tools": len(tools), "bytes": len(json.dumps(tools)), "seconds": seconds, "megabytes": megabytes}))
"""


@dataclass(frozen=True)
class Figures:
    """What one of them made of a document; processor seconds, memory at its height in MB, bytes of the whole list."""

    tools: int
    bytes: int
    seconds: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.tools:6,} {self.bytes / 1e6:8.2f} MB {self.seconds:7.2f} s {self.megabytes:6.0f} MB"


def figures_of(python: Path | str, program: str, document: RealDocument) -> Figures | None:
    command = [str(python), "-W", "ignore", "-c", program + TOLD, str(document.path), str(document.root)]
    try:
        run = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return None
    return Figures(**json.loads(run.stdout.splitlines()[-1])) if run.returncode == 0 and run.stdout else None


def main(names: list[str]) -> None:
    documents = [each for each in DOCUMENTS if not names or each.name in names]
    fastmcp = python_with(LOCK)
    sums, both = {"operations": 0, "ours": 0, "FastMCP": 0}, []
    print(f"{'':20} {'operations':>10}   {'tools provider':36} FastMCP")
    for document in documents:
        ours = figures_of(sys.executable, OURS, document)
        theirs = figures_of(fastmcp, FASTMCP, document)
        sums["operations"] += document.operations
        sums["ours"] += ours.tools if ours else 0
        sums["FastMCP"] += theirs.tools if theirs else 0
        if ours and theirs and theirs.tools:
            both.append((ours, theirs))
        print(f"{document.name:20} {document.operations:10,}   {ours or 'refused'!s:36} {theirs or 'refused'}")
    report(sums, both)


def report(sums: dict[str, int], both: list[tuple[Figures, Figures]]) -> None:
    for name in ("ours", "FastMCP"):
        print(f"operations that are tools, {name:8} {sums[name]:6,} of {sums['operations']:,}")
    for name in ("seconds", "megabytes", "bytes"):
        ours, theirs = (sum(getattr(pair[side], name) for pair in both) for side in (0, 1))
        print(f"{name:10} against FastMCP, {len(both)} documents: {ours / max(theirs, 1e-9):.2f}x in all")


if __name__ == "__main__":
    main(sys.argv[1:])
