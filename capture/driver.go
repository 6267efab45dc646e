package capture

// A Driver is a way of getting frames, as the user knows it. The root package has the ordered list of them.
type Driver struct {
	Name string // as on the command line and in the configuration, such as pcap-file or af-packet
	Doc  string // one sentence for listings
	Live bool   // captures from an interface; else it reads what is stored and comes to an end
	Open func(Target) ([]Source, error)
}

// A Target is what the user wants to capture from.
type Target struct {
	Name    string // an interface, a path or a queue, as the driver understands it
	Index   uint16 // of this target among all; goes into Frame.Iface unless the source has interfaces of its own
	Threads int    // sources wanted; a driver may open fewer, never none
	// Setting returns the value of a key in the driver's section of the configuration, and "" if it is not set.
	Setting func(key string) string
}
