"""Where everything lies. All that is made here is under STATE, which git ignores and `make clean` removes."""

from pathlib import Path

LOCAL_FOLDER = Path(__file__).resolve().parents[1]
ROOT = LOCAL_FOLDER.parents[1]

STATE = ROOT / ".local"
UV = STATE / "uv"
VENV = STATE / "venv"
SAM_VENV = STATE / "sam"
COMPILER_VENV = STATE / "compiler"
ZIG_VENV = STATE / "zig"
DATACONTRACT_VENV = STATE / "datacontract"
LINT_VENV = STATE / "lint"
PAGES_VENV = STATE / "pages"
NPM = STATE / "npm"
LINT_NPM = STATE / "npm-lint"
JDBC = STATE / "jdbc"
BROWSER = STATE / "chromium"
SAMPLES = STATE / "samples"
CACHE = STATE / "cache"
HOME = STATE / "home"
STAMPS = STATE / "stamps"
LOGS = STATE / "logs"
SETUP_LOGS = LOGS / "setup"
STACKS = STATE / "stacks"
REPORTS = STATE / "reports"
UP_FILE = STATE / "up.json"
