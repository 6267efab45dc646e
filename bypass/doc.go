// Package bypass has flows that need no inspection any more carried by what is below the engine: a program in the kernel,
// a flow table of a network card.
//
// An Offloader is one such thing. The Manager stands between it and the workers: they ask without waiting, it does what takes
// system calls, and what was counted below comes back to the worker that owns the flow. The package knows nothing of rules,
// parsers or output, and never why a flow is bypassed.
package bypass
