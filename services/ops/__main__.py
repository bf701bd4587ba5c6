from services.ops.main import main

main()
