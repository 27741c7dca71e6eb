# Completion of mcplb's command line for bash.
# shellcheck shell=bash

# POOL/BACKEND of the instance that the default admin address and MCPLB_ADMIN_TOKEN lead to.
_mcplb_backends() {
  mcplb backends 2>/dev/null | awk 'NR > 1 { print $1 "/" $2 }'
}

_mcplb_options() {
  local serve="--config --backend --listen --admin --workers --help"
  local ask="--admin --token --json --help"
  case $1 in
    "") echo "$serve --version" ;;
    run | check) echo "$serve" ;;
    demo) echo "--listen --admin --workers --help" ;;
    health) echo "$ask --live --ready" ;;
    backends | session) echo "$ask --pool" ;;
    sessions) echo "$ask --pool --limit --after" ;;
    drain) echo "$ask --wait --timeout" ;;
    schema | version) echo "--help" ;;
    *) echo "$ask" ;;
  esac
}

_mcplb() {
  local commands="run demo check health status backends sessions session drain activate disable
    reload schema version"
  local word command="" current previous words="" prefix
  # Bash takes colons for the ends of words: put HOST:PORT together again.
  local line=${COMP_LINE:0:COMP_POINT}
  current=${line##*[[:space:]]}
  previous=${line%"$current"}
  previous=${previous%"${previous##*[![:space:]]}"}
  previous=${previous##*[[:space:]]}
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ " ${commands//[[:space:]]/ } " == *" $word "* ]] && command=$word && break
  done
  COMPREPLY=()
  case $previous in
    -c | --config) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --workers) words=auto ;;
    --backend | --listen | --admin | --token | --pool | --limit | --after | --timeout) return ;;
    *)
      if [[ $current == -* ]]; then
        words=$(_mcplb_options "$command")
      elif [[ -z $command ]]; then
        words=$commands
      elif [[ $command == drain || $command == activate || $command == disable ]]; then
        words=$(_mcplb_backends)
      fi
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  # Of what is offered bash replaces only what stands behind the last colon.
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
    prefix=${current%"${current##*:}"}
    COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
  fi
}

complete -F _mcplb mcplb
