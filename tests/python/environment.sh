# Python for the commands of tests/: sourced by tests/run and tests/bench/run.

PYTHON_MIN="3.11"
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/dab"

# Prints the first Python that is new enough.
python_program() {
  local program
  for program in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$program" -c "import sys; sys.exit(sys.version_info < tuple(map(int, '$PYTHON_MIN'.split('.'))))" 2>/dev/null; then
      command -v "$program"
      return 0
    fi
  done
  return 1
}

# Makes the virtual environment for a file of requirements, unless it is there, and prints where it is.
environment() {
  local python="$1" requirements="$2" name venv
  name="$("$python" - "$requirements" <<'NAME'
import hashlib, sys
version = "%d.%d" % sys.version_info[:2]
print("venv-%s-%s" % (version, hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:12]))
NAME
)" || return 1
  venv="$CACHE/$name"
  if [ ! -e "$venv/complete" ]; then
    echo "installing Python packages into $venv" >&2
    rm -rf "$venv" && mkdir -p "$CACHE" && "$python" -m venv "$venv" >&2 || return 1
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" >&2 || return 1
    touch "$venv/complete"
  fi
  echo "$venv"
}
