# Completion of mcplb's command line for fish.
set -l commands run demo check health status backends sessions session drain activate disable \
    reload schema version
set -l none "not __fish_seen_subcommand_from $commands"
set -l serve "$none; or __fish_seen_subcommand_from run check demo"
set -l sources "$none; or __fish_seen_subcommand_from run check"
set -l ask "__fish_seen_subcommand_from health status backends sessions session drain activate \
    disable reload"

complete -c mcplb -f
complete -c mcplb -s h -l help -d "explain"
complete -c mcplb -n $none -l version -d "print the version"
complete -c mcplb -n $sources -s c -l config -r -F -d "configuration file"
complete -c mcplb -n $sources -l backend -x -d "serve without a file: URL of a backend"
complete -c mcplb -n $serve -l listen -x -d "listen here instead (host:port)"
complete -c mcplb -n $serve -l workers -x -a auto -d "number of workers"
complete -c mcplb -n "$serve; or $ask" -l admin -x -d "admin address (host:port)"
complete -c mcplb -n $ask -l token -x -d "its admin.token"
complete -c mcplb -n $ask -l json -d "print what the admin API answers"

complete -c mcplb -n $none -a run -d "serve (the default)"
complete -c mcplb -n $none -a demo -d "serve three bundled MCP servers and print what to try"
complete -c mcplb -n $none -a check -d "validate and print the effective configuration"
complete -c mcplb -n $none -a health -d "whether a running instance is healthy"
complete -c mcplb -n $none -a status -d "how a running instance is, and its pools"
complete -c mcplb -n $none -a backends -d "list the backends of a running instance"
complete -c mcplb -n $none -a sessions -d "list the sessions of a running instance"
complete -c mcplb -n $none -a session -d "show one session of a running instance"
complete -c mcplb -n $none -a drain -d "give a backend no new sessions, and empty it"
complete -c mcplb -n $none -a activate -d "let a backend serve again"
complete -c mcplb -n $none -a disable -d "take a backend out of service at once"
complete -c mcplb -n $none -a reload -d "let a running instance read its configuration again"
complete -c mcplb -n $none -a schema -d "print the JSON Schema of the file"
complete -c mcplb -n $none -a version -d "print the version"

complete -c mcplb -n "__fish_seen_subcommand_from health" -l live -d "only whether it answers"
complete -c mcplb -n "__fish_seen_subcommand_from health" -l ready \
    -d "whether it accepts connections"
complete -c mcplb -n "__fish_seen_subcommand_from backends sessions session" -l pool -x \
    -d "only of this pool"
complete -c mcplb -n "__fish_seen_subcommand_from sessions" -l limit -x -d "at most so many"
complete -c mcplb -n "__fish_seen_subcommand_from sessions" -l after -x \
    -d "go on where a list has ended"
complete -c mcplb -n "__fish_seen_subcommand_from drain" -l wait \
    -d "end when its last session has left"
complete -c mcplb -n "__fish_seen_subcommand_from drain" -l timeout -x -d "give up after this"
complete -c mcplb -n "__fish_seen_subcommand_from drain activate disable" \
    -a "(mcplb backends 2>/dev/null | awk 'NR > 1 { print \$1 \"/\" \$2 }')"
