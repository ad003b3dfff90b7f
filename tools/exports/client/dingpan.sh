#!/bin/sh
# Client of a dingpan desk: plain sh, awk and curl. Run it without arguments for help.
#
# The token goes to curl on standard input, so that no process list shows it. Request bodies go to curl in a file, so that
# no shell or console changes a byte of them.

set -u
LC_ALL=C
export LC_ALL
umask 077

usage() {
  cat <<'END'
usage: dingpan.sh list [--granted] [WORDS...]      skills of the desk; --granted: only those this token can run
       dingpan.sh describe SKILL                   arguments, tier, scope and an example of one skill
       dingpan.sh exec SKILL [ARGUMENT...]         run a skill
       dingpan.sh approval ID                      state of an approval

arguments of exec:
  name=text      always a JSON string: leading zeros stay (symbol=000001)
  name:=json     raw JSON: number, true, false, null, list, object, "text"
  --json '{}'    an object of arguments, or the envelope {"pathParams":{},"query":{},"body":{}}
  names may start with dashes (--env=dev); approvalId=ID repeats a call that a person has approved

environment:
  LG_AGENT_BASE_URL   address of the desk, as http://127.0.0.1:8765
  LG_AGENT_TOKEN      the token, as lgatk_...
  LG_AGENT_DRY_RUN    1: print the body of exec and send nothing

exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 a person must approve first, the address is printed
END
}

wrong() {
  printf 'dingpan.sh: %s\n' "$1" >&2
  exit 2
}

# Write a text as a JSON string. The text travels in the environment: awk -v would eat its backslashes.
json_string() {
  DINGPAN_TEXT=$1 awk 'BEGIN {
    for (i = 1; i < 32; i++) escape[sprintf("%c", i)] = sprintf("\\u%04x", i)
    escape["\""] = "\\\""; escape["\\"] = "\\\\"
    escape["\n"] = "\\n"; escape["\r"] = "\\r"; escape["\t"] = "\\t"
    text = ENVIRON["DINGPAN_TEXT"]
    printf "\""
    for (i = 1; i <= length(text); i++) {
      c = substr(text, i, 1)
      printf "%s", (c in escape) ? escape[c] : c
    }
    printf "\""
  }'
}

# Tell whether a text is one JSON value; with "object" as second argument, whether it is an object.
is_json() {
  DINGPAN_TEXT=$1 awk -v wanted="${2:-any}" '
    function blank() { while (substr(text, at, 1) ~ /^[ \t\r\n]$/) at++ }
    function take(pattern) {
      if (!match(substr(text, at), pattern)) return 0
      at += RLENGTH
      return 1
    }
    function word() { return take("^\"([^\"\\\\\001-\037]|\\\\([\"\\\\/bfnrt]|u[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F]))*\"") }
    function pair() {
      if (!word()) return 0
      blank()
      if (!take("^:")) return 0
      return value()
    }
    function members(close_mark, is_object) {
      at++; blank()
      if (substr(text, at, 1) == close_mark) { at++; return 1 }
      for (;;) {
        if (is_object ? !pair() : !value()) return 0
        blank()
        if (substr(text, at, 1) == close_mark) { at++; return 1 }
        if (!take("^,")) return 0
        blank()
      }
    }
    function value(first) {
      blank()
      first = substr(text, at, 1)
      if (first == "{") return members("}", 1)
      if (first == "[") return members("]", 0)
      if (first == "\"") return word()
      return take("^(-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?|true|false|null)")
    }
    BEGIN {
      text = ENVIRON["DINGPAN_TEXT"]; at = 1
      blank()
      if (wanted == "object" && substr(text, at, 1) != "{") exit 1
      if (!value()) exit 1
      blank()
      exit at <= length(text)
    }'
}

# Join the members of JSON objects: the text between the outer braces of each argument.
members=
add_members() {
  [ -n "$1" ] || return 0
  members="${members:+$members,}$1"
}

inside_of() {
  DINGPAN_TEXT=$1 awk 'BEGIN {
    text = ENVIRON["DINGPAN_TEXT"]
    sub(/^[ \t\r\n]*[{][ \t\r\n]*/, "", text); sub(/[ \t\r\n]*[}][ \t\r\n]*$/, "", text)
    printf "%s", text
  }'
}

add_object() {
  is_json "$1" object || wrong "--json needs a JSON object, not: $1"
  add_members "$(inside_of "$1")"
}

add_pair() {
  key=${1%%=*}
  text=${1#*=}
  case $key in
    *:)
      key=${key%:}
      is_json "$text" || wrong "$key:= needs JSON, not: $text (for a text write $key=$text)"
      ;;
    *) text=$(json_string "$text") ;;
  esac
  [ -n "$key" ] || wrong "an argument without a name: $1"
  add_members "$(json_string "$key"):$text"
}

check_environment() {
  base=${LG_AGENT_BASE_URL:-}
  base=${base%/}
  case $base in
    http://?* | https://?*) ;;
    *) wrong 'set LG_AGENT_BASE_URL to the address of the desk, as http://127.0.0.1:8765' ;;
  esac
  case ${LG_AGENT_TOKEN:-} in
    '') wrong 'set LG_AGENT_TOKEN to a token of the desk' ;;
    *[!A-Za-z0-9_.-]*) wrong 'LG_AGENT_TOKEN holds characters that no token has' ;;
  esac
}

# Send one request: send PATH [curl option...]. Prints the body of the answer, sets the exit code.
send() {
  path=$1
  shift
  check_environment
  answer=$work/answer
  status=$(
    printf 'header = "Authorization: Bearer %s"\n' "$LG_AGENT_TOKEN" |
      curl -q -K - -sS -g --proto '=http,https' --connect-timeout 10 --max-time 180 \
        -H 'Accept: application/json' -o "$answer" -w '%{http_code}' "$@" "$base$path"
  ) || exit 1
  [ ! -f "$answer" ] || cat "$answer"
  printf '\n'
  case $status in
    2??) exit 0 ;;
    409) ask_for_approval ;;
  esac
  printf 'dingpan.sh: the desk answered HTTP %s\n' "$status" >&2
  exit 1
}

# Exit 3 with the address where a person decides, if the answer asks for an approval; else return.
ask_for_approval() {
  address=$(tr '\r\n' '  ' <"$answer" | awk '
    /"code"[ \t]*:[ \t]*"approval_(required|pending)"/ {
      if (match($0, /"approval"[ \t]*:[ \t]*[{][^{}]*"url"[ \t]*:[ \t]*"[^"]*"/)) {
        found = substr($0, RSTART, RLENGTH - 1)
        sub(/.*"/, "", found)
        print found
      } else print "/approvals"
    }')
  [ -n "$address" ] || return 0
  case $address in /*) address=$base$address ;; esac
  printf 'dingpan.sh: a person must approve this call in the browser: %s\n' "$address" >&2
  printf 'dingpan.sh: then send the same call again with approvalId=...\n' >&2
  exit 3
}

run_list() {
  granted=false
  if [ "${1:-}" = --granted ]; then
    granted=true
    shift
  fi
  case ${1:-} in -*) wrong "list knows only --granted, not $1" ;; esac
  if [ $# -gt 0 ]; then
    send /agent/skills -G -d "granted=$granted" --data-urlencode "q=$*"
  fi
  send /agent/skills -G -d "granted=$granted"
}

run_exec() {
  [ $# -gt 0 ] || wrong 'exec needs the id of a skill'
  skill=$1
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      --json)
        [ $# -gt 1 ] || wrong '--json needs an object after it'
        add_object "$2"
        shift
        ;;
      '{'*) add_object "$1" ;;
      *=*) add_pair "$1" ;;
      *) wrong "no argument of a skill: $1 (write name=text or name:=json)" ;;
    esac
    shift
  done
  printf '{"skillId":%s,"params":{%s}}' "$(json_string "$skill")" "$members" >"$work/body"
  if [ "${LG_AGENT_DRY_RUN:-}" = 1 ]; then
    cat "$work/body"
    printf '\n'
    exit 0
  fi
  send /agent/skills/execute -X POST -H 'Content-Type: application/json' --data-binary "@$work/body"
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
  list) run_list "$@" ;;
  describe)
    [ $# -eq 1 ] || wrong 'describe needs the id of one skill'
    send /agent/skills -G --data-urlencode "skillId=$1"
    ;;
  exec) run_exec "$@" ;;
  approval)
    case ${1:-} in '' | *[!A-Za-z0-9_]*) wrong 'approval needs the id of one approval' ;; esac
    send "/agent/approvals/$1"
    ;;
  help | -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
