# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ecg_gateway_global_optspecs
    string join \n h/help V/version
end

function __fish_ecg_gateway_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ecg_gateway_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ecg_gateway_using_subcommand
    set -l cmd (__fish_ecg_gateway_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "demo" -d 'Replay the shipped ECG recordings through the driver, the signal chain, the classifier, the database and the socket, and compare the labels with the cardiologists\' annotations'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "replay" -d 'Replay recorded SPI traces through the driver, the signal chain and the classifier into a database'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "simulate" -d 'Feed a WFDB record to the simulated chip, read it with the real driver and write the SPI trace, with the record\'s annotations beside it'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "record" -d 'Record what the live chip and the driver say to each other into an SPI trace'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "run" -d 'Run the gateway: read the chip, label every beat, store and serve it, until SIGINT or SIGTERM'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "doctor" -d 'Examine a board step by step: bus and ID, registers, DRDY rate, frames, test signal, noise of shorted inputs, each electrode. Says what to do about each failure, and ends with code 25 if there was one. The service must not be running: it holds the GPIO lines'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "evaluate" -d 'Evaluate networks and the whole chain on the records of a WFDB database, against its annotations'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "explain" -d 'Explain why beats were called what they were: Grad-CAM or SHAP maps of single beats, and their mean and spread a class, as tables, JSON and pictures'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "bench" -d 'Measure the whole chain, then the classifier'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "backup" -d 'Copy the database, also while the daemon writes it: one moment of it, checked before it gets its name, in one file that stands alone. `restore` puts it back'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "restore" -d 'Put a backup in the place of the database, which is renamed and kept. The daemon must not run'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "verify" -d 'Verify a database: SQLite\'s own check, and the chain of hashes over everything that was committed'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "delete" -d 'Delete a session that has ended: its ECG, beats, maps, gaps, events, corrections with their notes, and the patient\'s label. Who deleted how many rows when stays. There is no way back but a backup'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "new-patient" -d 'Tell the running gateway that somebody else wears the electrodes: the session ends, and another one begins with nothing learned of the patient before'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "web" -d 'Let browsers open the gateway\'s page: make, list and revoke tokens, and print addresses to open'
complete -c ecg-gateway -n "__fish_ecg_gateway_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -l db -d 'SQLite database to write [default: a new one in the folder for temporary files]' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -l socket -d 'Unix socket to serve [default: beside the default database]' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -l model -d 'Network that labels the beats: a built-in name (v1, v2, v1-context, v2-context), a name in models/evaluation or the folder $ECG_MODELS names, or a .safetensors file [default: v1-context]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -l engine -d 'What runs the network: whatever is measured to be faster, the CPU, or the GPU (a software one too; needs a program built with GPU support) [default: auto]' -r -f -a "auto\t'The faster one, measured at the start for single beats and for backlogs'
cpu\t'The CPU'
gpu\t'The GPU'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -l mains -d 'Mains frequency to take out [default: 50, but 60 for the shipped traces, which were recorded where it is 60]' -r -f -a "50\t'50 Hz'
60\t'60 Hz'
none\t'Leave it in'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -l channel -d 'Channel the beats are found in and cut from, counted from 1; `auto` takes the first unless the other is clearly better [default: auto]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -l unclassifiable-below -d 'Beats whose class is less probable than this are unclassifiable; 0 is no limit [default: the model\'s own limit, if it has one]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -l explain -d 'Beats that get a map of why they were called what they were, stored with them [default: on-request]' -r -f -a "on-request\t'None as they come; any stored beat later'
all\t'Every beat'
abnormal\t'Those not called N, and unclassifiable ones'
low-confidence\t'Those of a class less probable than 0.8 (or what the configuration says), and unclassifiable ones'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -l explain-method -d 'How they are explained [default: gradcam]' -r -f -a "gradcam\t'Grad-CAM over the last feature maps'
gradcam-fine\t'Grad-CAM over an earlier, finer layer'
shap\t'SHAP values against 32 real beats'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -l serve -d 'Go on serving the page and the socket until interrupted, also when not on a terminal'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -l ignore-novelty -d 'Do not call beats unclassifiable for being unlike every class the model knows'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -l json -d 'Print one JSON object instead of tables'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand demo" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l db -d 'SQLite database to write; created if it does not exist' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l socket -d 'Serve the database on this Unix socket while replaying' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l chip -d 'Refuse traces of any other chip' -r -f -a "ads1292\t'TI ADS1292'
ads1292r\t'TI ADS1292R, the part with respiration'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l config -d 'Treat and label the signal as a daemon of this configuration file does: its sections `[signal]`, `[model]` and `[explain]`, and of `[store]` whether and in what blocks the raw ECG is kept. What the command line names goes before it' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l model -d 'Network that labels the beats: a built-in name (v1, v2, v1-context, v2-context), a name in models/evaluation or the folder $ECG_MODELS names, or a .safetensors file [default: v1-context]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l engine -d 'What runs the network: whatever is measured to be faster, the CPU, or the GPU (a software one too; needs a program built with GPU support) [default: auto]' -r -f -a "auto\t'The faster one, measured at the start for single beats and for backlogs'
cpu\t'The CPU'
gpu\t'The GPU'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l mains -d 'Mains frequency to take out [default: 50, but 60 for the shipped traces, which were recorded where it is 60]' -r -f -a "50\t'50 Hz'
60\t'60 Hz'
none\t'Leave it in'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l channel -d 'Channel the beats are found in and cut from, counted from 1; `auto` takes the first unless the other is clearly better [default: auto]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l unclassifiable-below -d 'Beats whose class is less probable than this are unclassifiable; 0 is no limit [default: the model\'s own limit, if it has one]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l explain -d 'Beats that get a map of why they were called what they were, stored with them [default: on-request]' -r -f -a "on-request\t'None as they come; any stored beat later'
all\t'Every beat'
abnormal\t'Those not called N, and unclassifiable ones'
low-confidence\t'Those of a class less probable than 0.8 (or what the configuration says), and unclassifiable ones'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l explain-method -d 'How they are explained [default: gradcam]' -r -f -a "gradcam\t'Grad-CAM over the last feature maps'
gradcam-fine\t'Grad-CAM over an earlier, finer layer'
shap\t'SHAP values against 32 real beats'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l inject -d 'Make something go wrong on the host, to see that no beat is lost: `gpu-lost@TIME` (such as 90s after a session\'s start) or `gpu-lost@BEAT` takes the GPU away with that beat on it' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l serve -d 'Go on serving the socket when the traces are done, until interrupted'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l ignore-novelty -d 'Do not call beats unclassifiable for being unlike every class the model knows'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -l json -d 'Print one JSON object'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand replay" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -s o -l out -d 'Trace to write; compressed if the name ends in .gz' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -l from -d 'Start in the record, seconds' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -l to -d 'End in the record, seconds [default: its end]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -l signals -d 'Signals for channel 1 and 2, counted from 1 [default: the first two that are an ECG]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -l rate -d 'Samples per second of the chip' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -l gain -d 'Gain of both channels' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -l chip -d 'The part to simulate' -r -f -a "ads1292\t'TI ADS1292'
ads1292r\t'TI ADS1292R, the part with respiration'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -l faults -d 'Script of faults, one a line: `at 2.5s lead-off in2n for 1s`' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -l annotator -d 'Ending of the annotations to carry over' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -l attribution -d 'Words for the trace\'s description: attribution, licence' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -l wall-start -d 'Wall-clock start, RFC 3339 [default: now]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -l json -d 'Print one JSON object'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand simulate" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand record" -l config -d 'Configuration file: wiring and chip set-up' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand record" -s o -l out -d 'Trace to write; compressed if the name ends in .gz. An existing file is refused' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand record" -l seconds -d 'Stop after this long [default: when interrupted]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand record" -l json -d 'Print one JSON object'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand record" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand run" -l config -d 'Configuration file; `ecg-gateway.example.toml` documents every key' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand run" -l label -d 'Name of the patient, kept with the session [default: the one of the configuration]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand run" -l simulated -d 'Read a simulated chip in real time instead of the device: "synthetic" for an endless sinus rhythm, or a WFDB record' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand run" -l speed -d 'Let the simulated time pass this many times as fast, 0.01 to 10000' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand run" -l faults -d 'Script of faults for the simulated chip, one a line: `at 2.5s lead-off in2n for 1s`' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand run" -l inject -d 'Make something go wrong on the host, to see that no beat is lost: `gpu-lost@TIME` (such as 90s after the start) or `gpu-lost@BEAT` takes the GPU away with that beat on it' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand run" -l hang-after -d 'Let the acquisition thread hang after this many seconds, to see the watchdog bite' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand run" -l check -d 'Only check the configuration and the model\'s weights, then exit'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand run" -s h -l help -d 'Print help'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand run" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand doctor" -l config -d 'Configuration file: wiring and chip set-up [default: /etc/ecg-gateway/ecg-gateway.toml, with --simulated the built-in defaults]' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand doctor" -l electrodes -d 'What the electrodes should be: attached (to a body or a patient simulator), detached, or any' -r -f -a "attached\t'Each must be found on'
detached\t'Each must be found off'
any\t'Only reported'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand doctor" -l faults -d 'Script of faults for the simulated board, one a line: `at 0s slow-clock 10`' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand doctor" -l simulated -d 'Examine the simulated board instead of the device'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand doctor" -l json -d 'Print one JSON object'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l data -d 'Directory of the database: a RECORDS file, or all its .hea files' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l records -d 'Only these records' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l set -d 'Only this half of the MIT-BIH Arrhythmia Database [default: ds2 for `inter` where the database has its records, else all]' -r -f -a "ds1\t'De Chazal\'s training half'
ds2\t'De Chazal\'s test half'
all\t'Every record of the database'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l protocol -d 'What is evaluated' -r -f -a "intra\t'The paper\'s: the test beats of a random split, R peaks as annotated, five classes. Their patients took part in training'
inter\t'Between patients: all annotated R peaks, AAMI classes N S V F Q'
chain\t'Own detector, own classifier, EC57 beat-by-beat and run-by-run comparison'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l model -d 'Networks that label the beats: built-in names or .safetensors files. Names that differ in `-seedN` only are seeds of one network, whose mean is printed with its spread' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l engine -d 'What runs the networks: whatever is measured to be faster, the CPU, or the GPU (a software one too; needs a program built with GPU support)' -r -f -a "auto\t'The faster one, measured at the start for single beats and for backlogs'
cpu\t'The CPU'
gpu\t'The GPU'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l mains -d 'Mains frequency to take out' -r -f -a "50\t'50 Hz'
60\t'60 Hz'
none\t'Leave it in'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l channel -d 'Signal to read, counted from 1; `auto` takes lead II where the record names one, else the first that is not aVR, aVL or III; on the whole chain with one further signal as its stand-in' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l lead -d 'Signal to read by the name in the header, e.g. V5; records without it are skipped' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l reference -d 'Ending of the reference annotations' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l learning-seconds -d 'Learning period on the whole chain, seconds; records shorter than twice this have none' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l escape -d 'Escape beats (e, j, n): `sveb` as bxb counts them, `normal` as de Chazal 2004 [default: normal for `inter`, sveb for `chain`]' -r -f -a "sveb\t'SVEB, as `bxb` counts them'
normal\t'N, as de Chazal 2004 and most studies after it count them'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l split -d 'Test beats of the intra-patient protocol' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l detector -d 'Weights of the QRS detector: those shipped, or those fitted without any record of DS2' -r -f -a "shipped\t'All 48 records of the MIT-BIH Arrhythmia Database'
ds1\t'The 22 records of DS1 (de Chazal 2004): for figures on DS2 in which DS2 had no part'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l unclassifiable-below -d 'Beats whose class is less probable than this are unclassifiable; 0 is no limit [default: the model\'s own limit, if it has one]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l unclassifiable -d 'What an unclassifiable beat counts as in the AAMI table: `q` as called Q, `class` as the class of the largest probability all the same [default: q for `chain`, as in the annotations that are written; class for `inter`, whose figures are compared with networks that reject nothing]' -r -f -a "q\t'Called Q'
class\t'The class of the largest probability'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l noise-snr-db -d 'Add recorded noise at this signal-to-noise ratio, decibels: from minute 5 on two minutes with it, two without (noise stress protocol)' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l noise -d 'WFDB record of the noise, e.g. em of the MIT-BIH Noise Stress Test Database' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l noise-power -d 'What counts as the noise\'s power' -r -f -a "whole\t'The mean square around the mean of the whole recording: all that is added counts'
per-second\t'The mean square around the mean of each second, as PhysioNet\'s `nst` takes it: wandering slower than that does not count, so the same ratio means more noise (7 dB more with `em`)'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l drop-samples -d 'Lose this share of the samples, 0 to 0.9, in random gaps (the same in every run)' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l write-annotations -d 'Write the labelled beats as WFDB annotations with this ending' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l write-waves -d 'Write where the P waves, QRS complexes and T waves of the beats begin and end as WFDB annotations with this ending: ( p ) ( N ) ( t )' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l out -d 'Directory for the annotations' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l confusion-picture -d 'Draw the confusion matrix as SVG' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l jobs -d 'Records evaluated at a time [default: one a processor]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l format -d 'How the figures are printed' -r -f -a "text\t'Tables for a terminal'
markdown\t'Tables for a page'
json\t'One object, as `--json`'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l ignore-novelty -d 'Do not call beats unclassifiable for being unlike every class the model knows'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l explanations -d 'Look whether the explanations of rightly labelled beats can be trusted: where they lie, deletion and insertion against random maps, maps of shuffled weights, R jitter and noise'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -l json -d 'Print one JSON object'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand evaluate" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -l record -d 'WFDB records, each by the path of its header without .hea, or directories of such records' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -l db -d 'A database written by this program' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -l beat -d 'Only this beat of the database' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -l session -d 'Only this session of the database' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -l limit -d 'Newest beats of the database that are looked at' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -l method -d 'How beats are explained' -r -f -a "gradcam\t'Grad-CAM over the last feature maps'
gradcam-fine\t'Grad-CAM over an earlier, finer layer'
shap\t'SHAP values against 32 real beats'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -l class -d 'Class the maps speak for [default: the one each beat was called]' -r -f -a "N\t'Normal sinus rhythm'
L\t'Left bundle branch block'
R\t'Right bundle branch block'
A\t'Atrial premature contraction'
V\t'Premature ventricular contraction'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -l model -d 'Network that labels the beats of traces and records; a database\'s beats have theirs' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -l mains -d 'Mains frequency to take out of traces and records [default: 50 for traces as in `replay`, 60 for the shipped ones as in `demo` and for records as in `evaluate`]' -r -f -a "50\t'50 Hz'
60\t'60 Hz'
none\t'Leave it in'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -l pictures -d 'Draw pictures (SVG) into this directory: the beat with the map over it, one of each class; and each class\'s mean map with its spread' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -l demo -d 'The shipped traces'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -l json -d 'Print one JSON object'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand explain" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l part -d 'Measure only this' -r -f -a "chain\t'The whole chain'
classifier\t'The classifier'
realtime\t'The daemon\'s path at 8000 SPS for a minute (--quick: 5 s): samples lost, latency'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l hours -d 'Signal time to replay at least [default: 2, with --quick 0.2]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l db -d 'SQLite database to write [default: a new one in the folder for temporary files, removed]' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l model -d 'Network that labels the beats: a built-in name (v1, v2, v1-context, v2-context), a name in models/evaluation or the folder $ECG_MODELS names, or a .safetensors file [default: v1-context]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l engine -d 'What runs the network: whatever is measured to be faster, the CPU, or the GPU (a software one too; needs a program built with GPU support) [default: auto]' -r -f -a "auto\t'The faster one, measured at the start for single beats and for backlogs'
cpu\t'The CPU'
gpu\t'The GPU'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l mains -d 'Mains frequency to take out [default: 50, but 60 for the shipped traces, which were recorded where it is 60]' -r -f -a "50\t'50 Hz'
60\t'60 Hz'
none\t'Leave it in'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l channel -d 'Channel the beats are found in and cut from, counted from 1; `auto` takes the first unless the other is clearly better [default: auto]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l unclassifiable-below -d 'Beats whose class is less probable than this are unclassifiable; 0 is no limit [default: the model\'s own limit, if it has one]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l explain -d 'Beats that get a map of why they were called what they were, stored with them [default: on-request]' -r -f -a "on-request\t'None as they come; any stored beat later'
all\t'Every beat'
abnormal\t'Those not called N, and unclassifiable ones'
low-confidence\t'Those of a class less probable than 0.8 (or what the configuration says), and unclassifiable ones'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l explain-method -d 'How they are explained [default: gradcam]' -r -f -a "gradcam\t'Grad-CAM over the last feature maps'
gradcam-fine\t'Grad-CAM over an earlier, finer layer'
shap\t'SHAP values against 32 real beats'"
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l quick -d 'A short run that shows that all works; its figures are rough'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l ignore-novelty -d 'Do not call beats unclassifiable for being unlike every class the model knows'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -l json -d 'Print one JSON object'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand bench" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand backup" -l db -d 'The database [default: the one of the configuration]' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand backup" -l config -d 'Configuration file that names the database' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand backup" -l keep -d 'Of the numbered backups in the folder TO keep the newest this many, delete older ones' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand backup" -l mib-per-second -d 'Copy no more than this a second, so that the daemon\'s commits do not wait; 0 is no limit' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand backup" -l min-free-mib -d 'Refuse where less than this would stay free on the medium [default: where the database lies on it, a tenth of it and at least 1024, but no more than half of it, else 0]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand backup" -l overwrite -d 'Replace TO where it exists, once the new backup is whole'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand backup" -l json -d 'Print one JSON object'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand backup" -s h -l help -d 'Print help'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand backup" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand restore" -l db -d 'The database [default: the one of the configuration]' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand restore" -l config -d 'Configuration file that names the database' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand restore" -l check -d 'Only check whether the backup is whole; no database is touched'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand restore" -l json -d 'Print one JSON object'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand restore" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand verify" -l head -d 'A head from the log that the chain must still have; may be given more than once' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand verify" -l json -d 'Print one JSON object'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand verify" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand delete" -l database -d 'The database' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand delete" -l session -d 'Number of the session' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand delete" -l yes -d 'Do not ask'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand delete" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand new-patient" -l label -d 'Name of the patient, kept with the session [default: none]' -r
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand new-patient" -l socket -d 'Socket of the gateway' -r -F
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand new-patient" -s h -l help -d 'Print help'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand new-patient" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and not __fish_seen_subcommand_from token help" -s h -l help -d 'Print help'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and not __fish_seen_subcommand_from token help" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and not __fish_seen_subcommand_from token help" -f -a "token" -d 'Make, list and revoke the tokens that browsers sign in with, and print addresses made from them'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and not __fish_seen_subcommand_from token help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and __fish_seen_subcommand_from token" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and __fish_seen_subcommand_from token" -s V -l version -d 'Print version'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and __fish_seen_subcommand_from token" -f -a "new" -d 'Make a token'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and __fish_seen_subcommand_from token" -f -a "list" -d 'List the tokens, and how many browsers are signed in with each'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and __fish_seen_subcommand_from token" -f -a "revoke" -d 'Revoke a token: browsers that signed in with it are signed out within a second'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and __fish_seen_subcommand_from token" -f -a "address" -d 'Print an address to open in a browser. It lets one browser in, once, within 5 minutes'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and __fish_seen_subcommand_from token" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and __fish_seen_subcommand_from help" -f -a "token" -d 'Make, list and revoke the tokens that browsers sign in with, and print addresses made from them'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand web; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "demo" -d 'Replay the shipped ECG recordings through the driver, the signal chain, the classifier, the database and the socket, and compare the labels with the cardiologists\' annotations'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "replay" -d 'Replay recorded SPI traces through the driver, the signal chain and the classifier into a database'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "simulate" -d 'Feed a WFDB record to the simulated chip, read it with the real driver and write the SPI trace, with the record\'s annotations beside it'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "record" -d 'Record what the live chip and the driver say to each other into an SPI trace'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "run" -d 'Run the gateway: read the chip, label every beat, store and serve it, until SIGINT or SIGTERM'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "doctor" -d 'Examine a board step by step: bus and ID, registers, DRDY rate, frames, test signal, noise of shorted inputs, each electrode. Says what to do about each failure, and ends with code 25 if there was one. The service must not be running: it holds the GPIO lines'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "evaluate" -d 'Evaluate networks and the whole chain on the records of a WFDB database, against its annotations'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "explain" -d 'Explain why beats were called what they were: Grad-CAM or SHAP maps of single beats, and their mean and spread a class, as tables, JSON and pictures'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "bench" -d 'Measure the whole chain, then the classifier'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "backup" -d 'Copy the database, also while the daemon writes it: one moment of it, checked before it gets its name, in one file that stands alone. `restore` puts it back'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "restore" -d 'Put a backup in the place of the database, which is renamed and kept. The daemon must not run'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "verify" -d 'Verify a database: SQLite\'s own check, and the chain of hashes over everything that was committed'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "delete" -d 'Delete a session that has ended: its ECG, beats, maps, gaps, events, corrections with their notes, and the patient\'s label. Who deleted how many rows when stays. There is no way back but a backup'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "new-patient" -d 'Tell the running gateway that somebody else wears the electrodes: the session ends, and another one begins with nothing learned of the patient before'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "web" -d 'Let browsers open the gateway\'s page: make, list and revoke tokens, and print addresses to open'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and not __fish_seen_subcommand_from demo replay simulate record run doctor evaluate explain bench backup restore verify delete new-patient web help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ecg-gateway -n "__fish_ecg_gateway_using_subcommand help; and __fish_seen_subcommand_from web" -f -a "token" -d 'Make, list and revoke the tokens that browsers sign in with, and print addresses made from them'
