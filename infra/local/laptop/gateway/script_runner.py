"""python script_runner.py ERROR_FILE SCRIPT ARGUMENTS...: runs the script as Glue does, as the main program, and notes the exception it ends with."""

import json
import runpy
import sys
from pathlib import Path


def main() -> None:
    error_file, script = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    sys.path[0] = str(Path(script).parent)
    try:
        runpy.run_path(script, run_name="__main__")
    except Exception as error:
        error_file.write_text(json.dumps({"type": type(error).__name__, "message": str(error)}))
        raise
    except SystemExit as end:
        if end.code not in (None, 0):
            error_file.write_text(json.dumps({"type": "SystemExit", "message": str(end.code)}))
        raise


if __name__ == "__main__":
    main()
